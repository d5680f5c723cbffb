import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.WindowStore;

/** Counts by (site, article, type) and minute. All events of an article are in one partition, and so in one task. */
final class MinuteCounts implements Processor<byte[], PageView, Void, Void> {
    static final String STORE = "counts";
    static final long MINUTE_MS = 60_000;

    private final Totals totals;
    private WindowStore<String, Long> counts;

    MinuteCounts(Totals totals) {
        this.totals = totals;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        counts = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], PageView> record) {
        PageView view = record.value();
        String key = view.site_id + '/' + view.article_id + ' ' + view.event_type;
        long minuteMs = view.occurred_at - view.occurred_at % MINUTE_MS;
        Long before = counts.fetch(key, minuteMs);
        long count = before == null ? 1 : before + 1;
        counts.put(key, count, minuteMs);
        totals.counted(count);
    }
}
