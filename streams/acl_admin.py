"""Kafka's rules as the table in `streams.acls` says: those that aren't there are made.

In: an admin client that may change rules, the settings, who plays which role. Out: rules on the
cluster, and which of them were new. Rules that the table doesn't have are left alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from streams.acls import Role, Rule
from streams.kafka_clients import answer, answers
from streams.settings import Settings

ANY_HOST: Final = "*"

_KINDS: Final[Mapping[str, ResourceType]] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
    # librdkafka's word for the cluster.
    "cluster": ResourceType.BROKER,
}
_OPERATIONS: Final[Mapping[str, AclOperation]] = {
    "Alter": AclOperation.ALTER,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
}


class Grant(NamedTuple):
    """One rule of the authorizer: a principal may do one thing."""

    principal: str
    operation: str
    rule: Rule

    @property
    def text(self) -> str:
        """For people, on one line."""
        return f"{self.principal} {self.operation} {self.rule.kind} {self.rule.pattern}"

    @property
    def binding(self) -> AclBinding:
        """As Kafka takes it."""
        pattern = (
            ResourcePatternType.PREFIXED if self.rule.prefixed else ResourcePatternType.LITERAL
        )
        return AclBinding(
            _KINDS[self.rule.kind],
            self.rule.name,
            pattern,
            self.principal,
            ANY_HOST,
            _OPERATIONS[self.operation],
            AclPermissionType.ALLOW,
        )


def grants(rules: Sequence[Rule], principals: Mapping[Role, Sequence[str]]) -> Iterator[Grant]:
    """Every rule for everybody who plays its role; a grant that two roles have, once."""
    seen: set[AclBinding] = set()
    for rule in rules:
        for principal in principals.get(rule.role, ()):
            for operation in rule.operations:
                grant = Grant(principal, operation, rule)
                if grant.binding not in seen:
                    seen.add(grant.binding)
                    yield grant


def ensure_acls(admin: AdminClient, settings: Settings, wanted: Sequence[Grant]) -> list[Grant]:
    """Make the rules that aren't there. Returns those that were made, in order. Raises Failed."""
    seconds = settings.call_timeout_ms / 1000
    anything: Any = None  # as it is meant to be given; the types don't say so
    everything = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    found = answer(
        settings,
        "can't read the cluster's ACLs",
        admin.describe_acls(everything, request_timeout=seconds),
    )
    there = {_identity(binding) for binding in found}
    missing = [grant for grant in wanted if _identity(grant.binding) not in there]
    if missing:
        made = admin.create_acls([grant.binding for grant in missing], request_timeout=seconds)
        answers(settings, "can't create ACLs", made)
    return missing


def _identity(binding: AclBinding) -> tuple[object, ...]:
    return (
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )
