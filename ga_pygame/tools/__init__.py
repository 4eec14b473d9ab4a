"""What the command line does beside `collect`: one file a command, and what they share."""
