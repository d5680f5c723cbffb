-- init: creates a shard; no effect if meta exists.
--
-- KEYS[1]   the shard's meta (hash)
-- ARGV      field, value, … of the first meta
-- reply     1 created, 0 meta existed
-- cost      constant
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
