"""Scales, ticks, smoothing, intervals and the placement of labels: numbers in, numbers out."""
