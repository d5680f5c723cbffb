import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.WindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * `FlinkCount BOOTSTRAP TOPIC CHECKPOINT_DIRECTORY`: counts a topic's page views by article, type and minute of event
 * time, with a checkpoint each second (exactly-once effect), and prints JSON. The rows are thrown away; their sums are kept.
 *
 * <p>Tuned for throughput:
 *
 * <ul>
 *   <li>a slot for each core, state on the heap, and objects reused between operators;
 *   <li>events of a key are counted before the exchange, as its SQL does with two phases and small batches (see
 *       LocalCounts), and watermarks are as far apart as checkpoints: a few percent less CPU in the mean of turns;
 *   <li>the key is one text and not a tuple of three, serialized by Flink's own serializers, none by Kryo;
 *   <li>fetches as large as those of the consumer under test; smaller ones and watermark alignment, which keep fewer
 *       windows open, took no less CPU;
 *   <li>fastjson2's data binding, which took about half as long as Jackson's streaming parser.
 * </ul>
 */
public final class FlinkCount {
    static final long MINUTE_MS = 60_000;
    private static final int SLOTS = 2;
    private static final long EACH_MS = 1_000;
    private static final Duration OUT_OF_ORDER = Duration.ofSeconds(10);

    public static void main(String[] words) throws Exception {
        Configuration settings = new Configuration();
        settings.set(PipelineOptions.GENERIC_TYPES, false);
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none"); // a failure is to be seen
        settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
        settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + words[2]);
        StreamExecutionEnvironment job = StreamExecutionEnvironment.createLocalEnvironment(SLOTS, settings);
        job.enableCheckpointing(EACH_MS, CheckpointingMode.EXACTLY_ONCE);
        job.getConfig().enableObjectReuse();
        job.getConfig().setAutoWatermarkInterval(EACH_MS);

        TypeInformation<Tuple2<String, Long>> pair = Types.TUPLE(Types.STRING, Types.LONG);
        job.fromSource(source(words[0], words[1]), times(), "views")
                .transform("count before the exchange", pair, new LocalCounts())
                .keyBy(counted -> counted.f0, Types.STRING)
                .window(TumblingEventTimeWindows.of(Duration.ofMillis(MINUTE_MS)))
                .aggregate(new Sum(), new Row())
                .sinkTo(new CountingSink());
        job.execute("minute counts");
        System.out.println(Totals.json());
    }

    /** Ends where the topic ends when the job begins, so that the job ends by itself. */
    private static KafkaSource<Tuple2<String, Long>> source(String bootstrap, String topic) {
        return KafkaSource.<Tuple2<String, Long>>builder()
                .setBootstrapServers(bootstrap)
                .setTopics(topic)
                .setGroupId(topic + "-flink")
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setProperty("isolation.level", "read_committed")
                .setProperty("max.partition.fetch.bytes", String.valueOf(4 << 20))
                .setProperty("fetch.max.bytes", String.valueOf(32 << 20))
                .setProperty("register.consumer.metrics", "false")
                .setValueOnlyDeserializer(new PageViews())
                .build();
    }

    private static WatermarkStrategy<Tuple2<String, Long>> times() {
        return WatermarkStrategy.<Tuple2<String, Long>>forBoundedOutOfOrderness(OUT_OF_ORDER)
                .withTimestampAssigner((view, stamped) -> view.f1);
    }

    private static final class Sum implements AggregateFunction<Tuple2<String, Long>, Long, Long> {
        private static final long serialVersionUID = 1;

        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Tuple2<String, Long> counted, Long sum) {
            return sum + counted.f1;
        }

        @Override
        public Long getResult(Long sum) {
            return sum;
        }

        @Override
        public Long merge(Long one, Long other) {
            return one + other;
        }
    }

    /** (key, beginning of the minute, count). */
    private static final class Row implements WindowFunction<Long, Tuple3<String, Long, Long>, String, TimeWindow> {
        private static final long serialVersionUID = 1;

        @Override
        public void apply(
                String key, TimeWindow minute, Iterable<Long> counts, Collector<Tuple3<String, Long, Long>> rows) {
            for (long count : counts) {
                rows.collect(Tuple3.of(key, minute.getStart(), count));
            }
        }
    }
}
