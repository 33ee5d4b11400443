//! Health of one peer.
