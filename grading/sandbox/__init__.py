"""What keeps students' code in: bubblewrap's command line, a seccomp filter, and a watchdog over limits."""
