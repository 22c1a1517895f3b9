"""Commands that show what past runs left behind; nothing is asked for over the network."""
