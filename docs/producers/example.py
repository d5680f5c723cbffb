"""Page views from Python: python example.py [HOST:PORT [TOPIC]]."""

import asyncio
import logging
import sys

from producers import KafkaSettings, PageView, Producer, ProducerError

KAFKA = KafkaSettings.from_environ()


async def main(kafka: str | KafkaSettings = KAFKA, topic: str = "page-views") -> None:
    async with Producer(kafka, topic, name="example") as producer:
        # One event, and the certainty that Kafka has it.
        delivery = await producer.send(PageView(site_id="demo", article_id="/culture/le-dernier-bal"))
        await delivery
        # Many: handed over one after the other, waiting only while Kafka is slower.
        for article in ("/sport/la-finale", "/sport/la-finale", "/science/la-nuit-des-etoiles"):
            await producer.send(PageView(site_id="demo", article_id=article, agent_class="person"))
        await producer.send(PageView(site_id="demo", article_id="/sport/la-finale", event_type="share"))
        # Leaving the block would wait as well.
        await producer.flush()
        print(f"{producer.delivered} events of {producer.producer_id} are in {topic}")


# Its failed attempts: the exception says what matters of them.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
try:
    asyncio.run(main(*sys.argv[1:]))
except ProducerError as error:
    sys.exit(str(error))
