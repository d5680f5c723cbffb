import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple3;

/** Throws the rows away and keeps what they add up to. */
final class CountingSink implements Sink<Tuple3<String, Long, Long>> {
    private static final long serialVersionUID = 1;

    @Override
    public SinkWriter<Tuple3<String, Long, Long>> createWriter(WriterInitContext context) {
        return new Writer();
    }

    /** Adds to the totals at checkpoints and at the end of the input. The checkpoint behind that one has no rows. */
    private static final class Writer implements SinkWriter<Tuple3<String, Long, Long>> {
        private long rows;
        private long events;
        private long squares;

        @Override
        public void write(Tuple3<String, Long, Long> row, Context context) {
            long count = row.f2;
            rows++;
            events += count;
            squares += count * count;
        }

        @Override
        public void flush(boolean isEndOfInput) {
            if (rows > 0) {
                Totals.add(rows, events, squares);
            }
            rows = events = squares = 0;
        }

        @Override
        public void close() {}
    }
}
