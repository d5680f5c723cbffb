import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/** What the counts add up to, and the time from the first record to the last. One process holds all tasks. */
final class Totals {
    private final long expected;
    private final AtomicLong events = new AtomicLong();
    private final LongAdder rows = new LongAdder();
    private final LongAdder squares = new LongAdder();
    private final CountDownLatch done = new CountDownLatch(1);
    private long beganNs;
    private long beganCpuNs;
    private long endedNs;
    private long endedCpuNs;

    Totals(long expected) {
        this.expected = expected;
    }

    /** Notes that a row's count has risen to `count`; the first record begins the time, the last one ends it. */
    void counted(long count) {
        if (count == 1) {
            rows.increment();
        }
        squares.add(2 * count - 1);
        long seen = events.incrementAndGet();
        if (seen == 1) {
            beganCpuNs = cpuNs();
            beganNs = System.nanoTime();
        }
        if (seen == expected) {
            endedNs = System.nanoTime();
            endedCpuNs = cpuNs();
            done.countDown();
        }
    }

    void await() throws InterruptedException {
        done.await();
    }

    String json() {
        return String.format(
                "{\"events\":%d,\"rows\":%d,\"squares\":%d,\"seconds\":%.6f,\"cpu_s\":%.3f,\"process_cpu_s\":%.3f}",
                events.get(),
                rows.sum(),
                squares.sum(),
                (endedNs - beganNs) / 1e9,
                (endedCpuNs - beganCpuNs) / 1e9,
                cpuNs() / 1e9);
    }

    private static long cpuNs() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
