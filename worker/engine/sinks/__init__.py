"""The twins of MetricSink that write files, and the one that tells several."""
