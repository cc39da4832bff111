"""Tasks, one file each: the model class, the labels, the metric, and how the playground shows it."""
