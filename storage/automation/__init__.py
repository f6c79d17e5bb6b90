"""What makes jobs by itself, or makes other jobs of them: schedules, triggers, rules, aliases."""
