import com.alibaba.fastjson2.JSON;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.streams.processor.TimestampExtractor;

/** Reads a record's value, and says when the event happened. */
final class PageViews implements Deserializer<PageView>, TimestampExtractor {
    @Override
    public PageView deserialize(String topic, byte[] value) {
        return JSON.parseObject(value, PageView.class);
    }

    @Override
    public long extract(ConsumerRecord<Object, Object> record, long streamTimeMs) {
        return ((PageView) record.value()).occurred_at;
    }
}
