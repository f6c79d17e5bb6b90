"""What the official `replicate` client asks for, over the same jobs. It translates only: a prediction is a job, which
can be watched, canceled and listed anywhere else."""
