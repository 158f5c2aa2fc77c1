"""Speed, measured: `make bench` prints medians and ratios of this machine."""
