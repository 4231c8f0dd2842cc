"""What Prometheus reads: the table of all metrics, who fills them, and how they are served."""
