-- drop: marks a shard as dropped, so that `advance` and `init` refuse it from now on.
--
-- KEYS[1]   the shard's meta (hash)
-- ARGV      field, value, … of the meta to write if the shard does not exist
-- reply     1 it existed, 0 it did not
-- cost      constant
local existed = redis.call('EXISTS', KEYS[1])
if existed == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
redis.call('HSET', KEYS[1], 'dropped', '1')
redis.call('PERSIST', KEYS[1])
return existed
