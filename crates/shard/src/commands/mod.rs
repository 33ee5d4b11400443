//! The handlers of data commands, attached to the table by name.
