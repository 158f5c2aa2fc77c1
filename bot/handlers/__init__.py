"""What each command does: one file a family of commands. A handler turns a question into replies and knows nothing of
Telegram."""
