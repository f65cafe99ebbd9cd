"""What Vibesbox costs, measured side by side with what else there is: ``make bench``."""
