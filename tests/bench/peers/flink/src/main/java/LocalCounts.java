import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * From (key, milliseconds) to (key, count), each count stamped with its minute. What it holds goes on before each
 * checkpoint, each watermark and the end, so nothing of it has to be kept in state.
 */
final class LocalCounts extends AbstractStreamOperator<Tuple2<String, Long>>
        implements OneInputStreamOperator<Tuple2<String, Long>, Tuple2<String, Long>>, BoundedOneInput {
    private static final long serialVersionUID = 1;
    private static final int MOST = 100_000;

    private transient Map<Long, Map<String, long[]>> minutes;
    private transient Map<String, long[]> latest;
    private transient long latestMinute;
    private transient int held;

    @Override
    public void open() throws Exception {
        super.open();
        minutes = new HashMap<>();
    }

    @Override
    public void processElement(StreamRecord<Tuple2<String, Long>> element) {
        Tuple2<String, Long> view = element.getValue();
        long minute = view.f1 / FlinkCount.MINUTE_MS;
        if (latest == null || minute != latestMinute) {
            latest = minutes.computeIfAbsent(minute, number -> new HashMap<>());
            latestMinute = minute;
        }
        long[] count = latest.get(view.f0);
        if (count != null) {
            count[0]++;
            return;
        }
        latest.put(view.f0, new long[] {1});
        if (++held == MOST) {
            passOn();
        }
    }

    private void passOn() {
        StreamRecord<Tuple2<String, Long>> record = new StreamRecord<>(new Tuple2<>());
        minutes.forEach(
                (minute, counts) -> {
                    record.setTimestamp(minute * FlinkCount.MINUTE_MS);
                    counts.forEach(
                            (key, count) -> {
                                record.getValue().setFields(key, count[0]);
                                output.collect(record);
                            });
                });
        minutes.clear();
        latest = null;
        held = 0;
    }

    @Override
    public void processWatermark(Watermark watermark) throws Exception {
        passOn();
        super.processWatermark(watermark);
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpoint) {
        passOn();
    }

    @Override
    public void endInput() {
        passOn();
    }
}
