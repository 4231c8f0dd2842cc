"""Kafka through librdkafka: the adapters of the ports in `streams.broker`.

`errors` reads librdkafka's errors (R6); `consumer`, `producer`, `changelog` and `cluster` are one
port each.
"""

from streams.kafka_broker.changelog import KafkaChangelogReader
from streams.kafka_broker.cluster import KafkaCluster
from streams.kafka_broker.consumer import KafkaGroupConsumer
from streams.kafka_broker.producer import KafkaProducer

__all__ = ["KafkaChangelogReader", "KafkaCluster", "KafkaGroupConsumer", "KafkaProducer"]
