"""The notifier: tells people of alarms by e-mail, webhook and messenger, as a program of its own: a server may hang."""
