"""Questions that the log answers: why a lead went to whom it went to, how an error came about.

Follow the data: topics or a file → `log_reading` → `decision_log` (every member, exactly, decision
by decision) → `recomputing`, `checking` → `explaining`, `explanation_text`; `statements`. Only
`log_reading` does I/O.
"""
