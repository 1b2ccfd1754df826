"""The assets: declarations only. What a stage does is in `judging` and `tagging`, loaded when it runs."""
