import com.alibaba.fastjson2.JSON;
import java.io.IOException;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;

/** A record's value as (site/article type, milliseconds of event time). */
final class PageViews implements DeserializationSchema<Tuple2<String, Long>> {
    private static final long serialVersionUID = 1;

    @Override
    public Tuple2<String, Long> deserialize(byte[] value) throws IOException {
        Totals.begin();
        PageView view = JSON.parseObject(value, PageView.class);
        return Tuple2.of(view.site_id + '/' + view.article_id + ' ' + view.event_type, view.occurred_at);
    }

    @Override
    public boolean isEndOfStream(Tuple2<String, Long> next) {
        return false;
    }

    @Override
    public TypeInformation<Tuple2<String, Long>> getProducedType() {
        return Types.TUPLE(Types.STRING, Types.LONG);
    }
}
