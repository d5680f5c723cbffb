-- drop: marks a shard as dropped, so that `advance` and `init` refuse it from now on.
--
-- KEYS[1]   the shard's meta (hash)
-- ARGV      field, value, … of the meta to write where the shard has not begun
-- reply     1 it had begun, 0 it had not
-- cost      constant
local begun = redis.call('EXISTS', KEYS[1])
if begun == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
redis.call('HSET', KEYS[1], 'dropped', '1')
redis.call('PERSIST', KEYS[1])
return begun
