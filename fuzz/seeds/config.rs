//! Files a person may write.

use super::Seed;
use everstore::config::template;

pub fn seeds() -> Vec<Seed> {
    let uncommented: String = template::default_file()
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' '))
        .map(|line| format!("{line}\n"))
        .collect();
    let files: [(&str, &str); 10] = [
        ("empty", ""),
        ("defaults", &uncommented),
        ("first-node", "dir = \"/var/lib/everstore\"\nbootstrap = true\nbind = [\"10.0.0.1\", \"::1\"]\n"),
        (
            "joins",
            "port = 7001\njoin = \"a.example:17001,b.example:17001\"\nrequirepass = \" s\\u00e4cret \"\n",
        ),
        ("sizes", "max-value = \"1mb\"\nquery-buffer-limit = 2097152\nquorum-timeout = \"90s\"\n"),
        ("unknown-key", "prot = 1\n"),
        ("bad-value", "replicas = 4\n"),
        ("conflict", "port = 60000\n"),
        ("secret", "secret = \"x\"\n"),
        ("no-toml", "port 6379\n[\n"),
    ];
    files.map(|(name, text)| (name, text.as_bytes().to_vec())).to_vec()
}
