-- init: begins a shard; without effect where meta exists.
--
-- KEYS[1]   the shard's meta (hash)
-- ARGV      field, value, … of the first meta
-- reply     1 begun, 0 meta was there
-- cost      constant
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
