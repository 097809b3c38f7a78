"""What pages measure and compare: training runs, feedback, deployments and their differences."""
