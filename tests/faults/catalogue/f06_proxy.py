"""F6: what ends a transaction is late, or lost, or only its answer is.

Dispatchers reach Kafka through a proxy that knows the protocol. librdkafka sends a request again
after a time-out or a broken connection; Kafka takes the first copy all the same when it arrives.
"""

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.dispatchers import DispatcherProcess
from tests.support.kafka_proxy import Api, KafkaProxy, Rule, Side, error_of_end_txn

# The client's requests time out just before the transaction (librdkafka's own rule), and a commit
# is doubted well before that, as with the defaults.
TIMING = {"transaction_timeout_ms": 4_000, "commit_doubt_ms": 2_000}
STARTED_OVER = "starting over with a new producer"


def behind_a_proxy(run: Run, dispatchers: int = 2) -> KafkaProxy:
    """Start dispatchers that reach Kafka through a proxy, and the load."""
    proxy = run.put_proxy()
    run.start_dispatchers(dispatchers)
    run.load()
    run.wait_for_progress()
    return proxy


def let_it_happen(run: Run, proxy: KafkaProxy, *rules: Rule, leads: int = 300) -> None:
    """Wait until each rule was applied and the leads flow nevertheless; then it is over."""
    for rule in rules:
        rule.wait()
    run.wait_for_progress(leads)
    proxy.clear()
    run.wait_for_progress()


@variant("F6", "every EndTxn is late", dispatchers=0, settings=TIMING, quick=False)
def end_late(run: Run) -> None:
    """By half a second, requests and answers: commits are slow, and nothing else."""
    proxy = behind_a_proxy(run)
    rules = [proxy.delay(Api.END_TXN, side, 250) for side in Side]
    let_it_happen(run, proxy, *rules)


@variant("F6", "EndTxn later than is believed", dispatchers=0, settings=TIMING)
def end_doubted(run: Run) -> None:
    """It succeeds, and yet the producer is replaced: another copy could be on its way."""
    proxy = behind_a_proxy(run)
    let_it_happen(run, proxy, proxy.delay(Api.END_TXN, Side.REQUEST, 2_500, times=2))
    expect_restart(run)


@variant("F6", "EndTxn is lost", dispatchers=0, settings=TIMING, quick=False)
def end_lost(run: Run) -> None:
    """The client asks again after its time-out; by then the broker may have given up."""
    proxy = behind_a_proxy(run)
    let_it_happen(run, proxy, proxy.lose_frames(Api.END_TXN, Side.REQUEST, times=2))
    expect_restart(run)


@variant("F6", "the answer to EndTxn is lost", dispatchers=0, settings=TIMING)
def end_unanswered(run: Run) -> None:
    """All was committed, and the dispatcher can't know."""
    proxy = behind_a_proxy(run)
    let_it_happen(run, proxy, proxy.lose_frames(Api.END_TXN, Side.ANSWER, times=2))
    expect_restart(run)


@variant("F6", "the answer to EndTxn is cut off", dispatchers=0, settings=TIMING)
def end_answer_cut(run: Run) -> None:
    """The connection breaks between the commit and its answer, again and again."""
    proxy = behind_a_proxy(run)
    for _ in range(4):
        held = proxy.hold(Api.END_TXN, Side.ANSWER).wait()
        proxy.cut_at(held)
        run.wait_for_progress(50)
    proxy.clear()


@variant("F6", "every TxnOffsetCommit is late", dispatchers=0, settings=TIMING, quick=False)
def offsets_late(run: Run) -> None:
    """By half a second, requests and answers."""
    proxy = behind_a_proxy(run)
    rules = [proxy.delay(Api.TXN_OFFSET_COMMIT, side, 250) for side in Side]
    let_it_happen(run, proxy, *rules)


@variant("F6", "TxnOffsetCommit is lost", dispatchers=0, settings=TIMING, quick=False)
def offsets_lost(run: Run) -> None:
    """Without offsets nothing may be committed."""
    proxy = behind_a_proxy(run)
    let_it_happen(run, proxy, proxy.lose_frames(Api.TXN_OFFSET_COMMIT, Side.REQUEST, times=2))


@variant("F6", "the answer to TxnOffsetCommit is lost", dispatchers=0, settings=TIMING, quick=False)
def offsets_unanswered(run: Run) -> None:
    """They are sent again, and are the same."""
    proxy = behind_a_proxy(run)
    let_it_happen(run, proxy, proxy.lose_frames(Api.TXN_OFFSET_COMMIT, Side.ANSWER, times=2))


@variant("F6", "the answer to InitProducerId is lost", dispatchers=0, settings=TIMING, quick=False)
def epoch_unanswered(run: Run) -> None:
    """A new producer whose epoch was raised without its knowing, after a lost EndTxn."""
    proxy = behind_a_proxy(run)
    ended = proxy.lose_frames(Api.END_TXN, Side.REQUEST, times=1)
    raised = proxy.lose_frames(Api.INIT_PRODUCER_ID, Side.ANSWER, times=1)
    let_it_happen(run, proxy, ended, raised)


@variant(
    "F6",
    "leaders are named before they lead",
    dispatchers=0,
    # A request for each record: only then has the client several on their way to a partition.
    settings={"kafka__batch_size": 200, "kafka__linger_ms": 0},
)
def leaders_named_early(run: Run) -> None:
    """The first request to each partition is refused, and the next, on its way already, is taken:
    the client says nothing of the records that are gone.
    """
    proxy = run.put_proxy()
    early = proxy.name_leaders_early()
    run.start_dispatchers(2)
    run.load(opening_leads=50)
    let_it_happen(run, proxy, early)
    expect_restart(run)


@variant("F6", "a copy of EndTxn comes later", dispatchers=0, settings=TIMING, quick=False)
def end_stray(run: Run) -> None:
    """It must not end another transaction than its own, in the midst of that one's records.

    The first copy is kept back, the connection breaks, the client's second copy commits. When the
    next transaction has some of its records stored and none of its offsets, the first arrives.
    """
    proxy = behind_a_proxy(run, dispatchers=1)
    for records_stored in (1, 2, 3):
        ended = proxy.hold(Api.END_TXN, Side.REQUEST).wait()
        next_records = proxy.hold(Api.PRODUCE, Side.REQUEST, after=records_stored)
        proxy.cut_at(ended)
        next_records.wait()
        (stray,) = ended.frames
        code = error_of_end_txn(stray, proxy.deliver_late(stray))
        if code == 0:
            run.note("Kafka took a late EndTxn for the end of the next transaction")
        proxy.clear()
        run.wait_for_progress(50)


@variant("F6", "a copy of TxnOffsetCommit comes later", dispatchers=0, settings=TIMING)
def offsets_stray(run: Run) -> None:
    """Older offsets come into the next transaction behind its own; then its process is killed.

    The group's offsets went back. What is processed stands in the changelog too.
    """
    proxy = behind_a_proxy(run, dispatchers=1)
    for _ in range(2):
        sent = proxy.hold(Api.TXN_OFFSET_COMMIT, Side.REQUEST).wait()
        ended = proxy.hold(Api.END_TXN, Side.REQUEST, after=1)
        proxy.cut_at(sent)
        ended.wait()
        (stray,) = sent.frames
        proxy.deliver_late(stray)
        unanswered = proxy.hold(Api.END_TXN, Side.ANSWER)
        proxy.release(ended)
        unanswered.wait()
        kill_newest(run)
        proxy.clear()
        restart_newest(run)
        run.wait_for_progress(50)


@variant("F1", "killed with its commit on the way", dispatchers=0, settings=TIMING, quick=False)
def killed_before_commit_arrives(run: Run) -> None:
    """EndTxn never arrives: the broker aborts in time, and another dispatcher decides anew."""
    _killed_at(run, Side.REQUEST)


@variant("F1", "killed when its commit has succeeded unanswered", dispatchers=0, settings=TIMING)
def killed_before_commit_is_answered(run: Run) -> None:
    """All is committed; nobody told the process, and Redis doesn't know it either."""
    _killed_at(run, Side.ANSWER)


def _killed_at(run: Run, side: Side) -> None:
    proxy = behind_a_proxy(run, dispatchers=1)
    for _ in range(3):
        held = proxy.hold(Api.END_TXN, side).wait()
        kill_newest(run)
        proxy.cut_at(held)
        proxy.clear()
        restart_newest(run)
        run.wait_for_progress(50)


def kill_newest(run: Run) -> None:
    """`kill -9` the dispatcher that was started last."""
    run.dispatchers[-1].kill()


def restart_newest(run: Run) -> DispatcherProcess:
    """Start it again in its slot."""
    return run.restart(run.dispatchers[-1])


def expect_restart(run: Run) -> None:
    """Some dispatcher must have replaced its producer (R6)."""
    if not any(dispatcher.log(STARTED_OVER) for dispatcher in run.dispatchers):
        run.note("no dispatcher replaced its producer")
