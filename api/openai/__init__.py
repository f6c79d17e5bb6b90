"""What the official `openai` client asks for, over the same jobs. It translates only: what is submitted here can be
watched, canceled and listed anywhere else."""
