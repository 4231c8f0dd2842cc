"""F10: what is no event, or stands where it doesn't belong, between good ones."""

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run


@variant("F10", "one record in three is poison", dispatchers=0, quick=False)
def one_in_three(run: Run) -> None:
    """Nothing stops: each becomes a dead letter, and the leads around it are assigned."""
    run.start_dispatchers(2)
    run.load(poison=0.33)
    run.wait_for_progress(1_000)


@variant("F10", "records over the limit", dispatchers=1, quick=False)
def over_the_limit(run: Run) -> None:
    """Megabytes that compress to nothing pass the topic; they become dead letters, too."""
    topics = run.installation.topics
    for number in range(6):
        topic = run.rng.choice(topics.inputs)
        size = run.rng.choice((1_100_000, 2_000_000, 4_000_000))
        key = f"pair-{number % 4}".encode()
        run.installation.publisher.send(topic, b" " * size, key)
        run.pause(0.0, 0.2)
    run.installation.publisher.flush()
    run.wait_for_progress(200)


@variant("F10", "poison while a dispatcher is killed", dispatchers=0)
def and_killed(run: Run) -> None:
    """What was refused is refused once, whoever meets it."""
    run.start_dispatchers(2)
    run.load(poison=0.33)
    for _ in range(2):
        run.wait_for_progress(200)
        victim = run.rng.choice([found for found in run.dispatchers if found.is_running])
        victim.kill()
        run.restart(victim)
    run.wait_for_progress(200)
