"""What a process of the views reads, put together: decisions, assignments, dead letters.

In: which partitions of the decisions this process has. Out: what is counted of them, and kept.
Assignments follow the decisions: their partitions are those that the group gave for these, so that
a channel and its leads are always with the same process.
"""

from collections.abc import Iterable, Mapping

from streams.views.keeping import Keeper
from streams.views.leads import LeadSink
from streams.views.partitions import Views
from streams.views.refusals import RefusalSink
from streams.views.topic_follower import TopicFollower


class ViewsReader:
    """Keeps the views in step with what the consumer reads, and what of them is on disk.

    Attributes:
        views: what is counted of the decisions.
        keeper: their files.
        leads, refusals: what is kept of assignments, and counted of dead letters.
        followers: who reads these two topics, in this order.
    """

    def __init__(
        self,
        views: Views,
        keeper: Keeper,
        leads: LeadSink,
        refusals: RefusalSink,
        followers: tuple[TopicFollower, TopicFollower],
    ) -> None:
        """Nothing is held yet."""
        self.views = views
        self.keeper = keeper
        self.leads = leads
        self.refusals = refusals
        self.followers = followers

    def start(self, refusal_partitions: int) -> None:
        """Begin to read the other topics; of assignments what belongs to the decisions."""
        lead_follower, refusal_follower = self.followers
        refusal_follower.want(range(refusal_partitions))
        lead_follower.start()
        refusal_follower.start()

    def stop(self) -> None:
        """Read no more of them."""
        for follower in self.followers:
            follower.stop()

    def hold(self, numbers: Iterable[int], generation: int) -> None:
        """These partitions are read from now on; new ones go on from what is kept of them."""
        before = self.views.partitions.keys()
        added = self.views.hold(numbers, generation)
        for number in before - self.views.partitions.keys():
            self.keeper.release(number)
        for held in added:
            self.keeper.load(held)
        self.followers[0].want(self.views.partitions)

    def begin(self, bounds: Mapping[int, tuple[int, int]]) -> Mapping[int, int]:
        """Where each partition's reading starts."""
        return self.views.begin(bounds)

    async def keep_all(self) -> None:
        """Write what is new to disk."""
        for held in list(self.views.partitions.values()):
            await self.keeper.keep(held)
