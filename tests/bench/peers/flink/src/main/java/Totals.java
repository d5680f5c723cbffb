import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** What the rows add up to, and the time from the first record to the last row. One process holds the whole job. */
final class Totals {
    private static long allEvents;
    private static long allRows;
    private static long allSquares;
    private static volatile long beganNs;
    private static long beganCpuNs;
    private static long endedNs;
    private static long endedCpuNs;

    private Totals() {}

    /** Notes the first record. */
    static void begin() {
        if (beganNs == 0) {
            synchronized (Totals.class) {
                if (beganNs == 0) {
                    beganCpuNs = cpuNs();
                    beganNs = System.nanoTime();
                }
            }
        }
    }

    /** Adds rows, the events they count, and the sum of the squares of their counts. */
    static synchronized void add(long rows, long events, long squares) {
        allRows += rows;
        allEvents += events;
        allSquares += squares;
        endedNs = System.nanoTime();
        endedCpuNs = cpuNs();
    }

    static synchronized String json() {
        return String.format(
                "{\"events\":%d,\"rows\":%d,\"squares\":%d,\"seconds\":%.6f,\"cpu_s\":%.3f,\"process_cpu_s\":%.3f}",
                allEvents,
                allRows,
                allSquares,
                (endedNs - beganNs) / 1e9,
                (endedCpuNs - beganCpuNs) / 1e9,
                cpuNs() / 1e9);
    }

    private static long cpuNs() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
