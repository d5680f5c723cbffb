import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.AutoOffsetReset;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.Stores;

/**
 * `StreamsCount BOOTSTRAP TOPIC STATE_DIRECTORY APPLICATION EVENTS`: counts so many page views by article, type and
 * minute of event time (exactly-once effect), and prints JSON. Its output is the changelog of its in-memory store.
 *
 * <p>Tuned for throughput:
 *
 * <ul>
 *   <li>no repartitioning: the topic's key is the article's, so each task counts its own partition;
 *   <li>the store's cache holds what a commit interval changes, so that the changelog gets a row once an interval and
 *       not once an event; the interval is a second and not the 100 ms that exactly-once has by default;
 *   <li>the processor API with counts as plain numbers, because a windowed aggregate of the DSL took more CPU in each
 *       pair of runs;
 *   <li>polls and buffers of 1,000 records: with 10,000 it took no less;
 *   <li>fetches and batches as large as those of the consumer under test, and a thread for each core;
 *   <li>fastjson2's data binding, which took about half as long as Jackson's streaming parser.
 * </ul>
 *
 * <p>A window takes events for an hour, so that nothing is dropped.
 */
public final class StreamsCount {
    private static final int THREADS = 2;
    private static final Duration OPEN = Duration.ofHours(1);
    private static final Duration MINUTE = Duration.ofMillis(MinuteCounts.MINUTE_MS);

    public static void main(String[] words) throws InterruptedException {
        Totals totals = new Totals(Long.parseLong(words[4]));
        KafkaStreams streams = new KafkaStreams(topology(words[1], totals), settings(words[0], words[2], words[3]));
        streams.setUncaughtExceptionHandler(
                fault -> {
                    fault.printStackTrace();
                    Runtime.getRuntime().halt(1);
                    return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
                });
        streams.start();
        totals.await();
        streams.close();
        System.out.println(totals.json());
    }

    private static Topology topology(String topic, Totals totals) {
        PageViews views = new PageViews();
        return new Topology()
                .addSource(AutoOffsetReset.earliest(), "views", views, new ByteArrayDeserializer(), views, topic)
                .addProcessor("count", () -> new MinuteCounts(totals), "views")
                .addStateStore(
                        Stores.windowStoreBuilder(
                                        Stores.inMemoryWindowStore(
                                                MinuteCounts.STORE, OPEN.plus(MINUTE), MINUTE, false),
                                        Serdes.String(),
                                        Serdes.Long())
                                .withCachingEnabled(),
                        "count");
    }

    private static Properties settings(String bootstrap, String directory, String application) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, directory);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1); // one broker
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256 << 20);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 1_000);
        settings.put(StreamsConfig.consumerPrefix("max.poll.records"), 1_000);
        settings.put(StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), 4 << 20);
        settings.put(StreamsConfig.consumerPrefix("fetch.max.bytes"), 32 << 20);
        settings.put(StreamsConfig.producerPrefix("linger.ms"), 100);
        settings.put(StreamsConfig.producerPrefix("batch.size"), 256 << 10);
        settings.put(StreamsConfig.producerPrefix("buffer.memory"), 128 << 20);
        return settings;
    }
}
