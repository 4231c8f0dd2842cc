import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Lead batches in, one event for each lead out, exactly once; errors of each channel in a store.
 *
 * Arguments: a JSON file {"rosters": {channel: {assignee: weight}}, "input", "output",
 * "properties": {...}}. Simpler than Partidor: fixed rosters, floating point, no decisions, no
 * duplicates, no dead letters, no copy in Redis.
 */
public final class LeadDispatcher {
  public record Job(
      Map<String, Map<String, Double>> rosters,
      String input,
      String output,
      Map<String, String> properties) {}

  public record Lead(String lead_id, Map<String, Object> attributes) {}

  public record Batch(String batch_id, String channel, List<Lead> leads) {}

  @JsonPropertyOrder({
    "type", "schema_version", "assignment_id", "channel", "batch_id", "lead_id", "assignee_id",
    "position", "batch_size", "state_version", "decided_at", "attributes"
  })
  public record Assigned(
      String type,
      int schema_version,
      String assignment_id,
      String channel,
      String batch_id,
      String lead_id,
      String assignee_id,
      int position,
      int batch_size,
      long state_version,
      String decided_at,
      Map<String, Object> attributes) {}

  public record State(long version, double[] errors) {}

  private static final String STORE = "channels";
  private static final ObjectMapper MAPPER =
      new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
  private static final ObjectReader BATCHES = MAPPER.readerFor(Batch.class);
  private static final ObjectReader STATES = MAPPER.readerFor(State.class);
  private static final ObjectWriter WRITER = MAPPER.writer();

  /** A channel's people, and what share of each lead is theirs. */
  private static final class Roster {
    final String[] names;
    final double[] shares;

    Roster(Map<String, Double> weights) {
      names = weights.keySet().toArray(new String[0]);
      shares = weights.values().stream().mapToDouble(Double::doubleValue).toArray();
      double sum = 0;
      for (double share : shares) sum += share;
      for (int k = 0; k < shares.length; k++) shares[k] /= sum;
    }

    /** Divides a batch; `errors` becomes what is owed after it. */
    int[] divide(int size, double[] errors) {
      int[] counts = new int[shares.length];
      int given = 0;
      for (int k = 0; k < shares.length; k++) {
        double due = errors[k] + shares[k] * size;
        counts[k] = due > 0 ? (int) due : 0;
        errors[k] = due - counts[k];
        given += counts[k];
      }
      for (; given < size; given++) {
        int most = 0;
        for (int k = 1; k < errors.length; k++) if (errors[k] > errors[most]) most = k;
        counts[most]++;
        errors[most]--;
      }
      for (; given > size; given--) {
        int least = -1;
        for (int k = 0; k < errors.length; k++)
          if (counts[k] > 0 && (least < 0 || errors[k] < errors[least])) least = k;
        counts[least]--;
        errors[least]++;
      }
      return counts;
    }
  }

  private static final class Dispatch implements Processor<String, byte[], String, byte[]> {
    private final Map<String, Roster> rosters;
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, byte[]> store;

    Dispatch(Map<String, Roster> rosters) {
      this.rosters = rosters;
    }

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
      this.context = context;
      this.store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      try {
        Batch batch = BATCHES.readValue(record.value());
        Roster roster = rosters.get(batch.channel());
        byte[] stored = store.get(batch.channel());
        State before =
            stored == null
                ? new State(0, new double[roster.names.length])
                : STATES.readValue(stored);
        double[] errors = before.errors();
        int size = batch.leads().size();
        int[] left = roster.divide(size, errors);
        long version = before.version() + 1;
        String decidedAt = Instant.ofEpochMilli(record.timestamp()).toString();
        int who = 0;
        for (int place = 0; place < size; place++) {
          while (left[who] == 0) who = (who + 1) % left.length;
          left[who]--;
          Lead lead = batch.leads().get(place);
          Assigned assigned =
              new Assigned(
                  "lead_assigned",
                  1,
                  batch.channel() + "/" + version + "/" + lead.lead_id(),
                  batch.channel(),
                  batch.batch_id(),
                  lead.lead_id(),
                  roster.names[who],
                  place + 1,
                  size,
                  version,
                  decidedAt,
                  lead.attributes());
          context.forward(record.withValue(WRITER.writeValueAsBytes(assigned)));
          who = (who + 1) % left.length;
        }
        store.put(batch.channel(), WRITER.writeValueAsBytes(new State(version, errors)));
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }

  public static void main(String[] arguments) throws IOException {
    Job job = MAPPER.readValue(new File(arguments[0]), new TypeReference<Job>() {});
    Properties properties = new Properties();
    properties.putAll(job.properties());
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    Map<String, Roster> rosters = new java.util.HashMap<>();
    job.rosters().forEach((channel, weights) -> rosters.put(channel, new Roster(weights)));
    Topology topology = new Topology();
    topology.addSource("batches", new StringDeserializer(), new ByteArrayDeserializer(), job.input());
    topology.addProcessor("dispatch", () -> new Dispatch(rosters), "batches");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray())
            .withLoggingEnabled(Map.of()),
        "dispatch");
    topology.addSink(
        "assignments", job.output(), new StringSerializer(), new ByteArraySerializer(), "dispatch");
    KafkaStreams streams = new KafkaStreams(topology, properties);
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
    streams.start();
  }
}
