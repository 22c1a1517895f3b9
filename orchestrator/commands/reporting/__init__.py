"""How what came of a command reaches people: files, chats, GitHub's page."""
