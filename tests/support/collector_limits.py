"""Settings of a collector with tight limits, and a crawler."""

from tests.support.collector_process import SITES

BEHIND_PROXY = (
    SITES + '[collect]\nproxies = ["127.0.0.0/8"]\nclient_events_s = 1\nclient_burst = 500\nkey_events_s = 500\n'
)
FEW_ARTICLES = SITES + '[collect]\nproxies = ["127.0.0.0/8"]\nnew_articles_per_minute = 1\nnew_articles_burst = 3\n'
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
