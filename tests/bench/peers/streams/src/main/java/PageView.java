/** What the counts need of an event's JSON; fastjson2 passes over the other fields. */
public final class PageView {
    public String site_id;
    public String article_id;
    public String event_type;
    public long occurred_at;
}
