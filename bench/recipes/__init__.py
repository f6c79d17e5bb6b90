"""What Safelight is held against: the usual recipes, each as one file that runs."""
