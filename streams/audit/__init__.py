"""Questions that the log answers: why a lead went to whom it went to, how an error came about.

Follow the data: topics or a file → `log_reading` → `decision_log` (every member, exactly, decision
by decision) → `recomputing` (a batch divided again), `checking` (held against what is written) →
`explaining`, `telling` (values), `explanation_text` (words); and → `movements` → `statements` →
`statement_forms`. Only `log_reading` does I/O.
"""
