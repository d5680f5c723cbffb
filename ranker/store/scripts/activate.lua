-- activate: compare-and-set of the active generation, on its sequence number.
--
-- KEYS[1]   the active key (string, JSON {"seq", "generation", "partitions"})
-- ARGV[1]   the seq that must be stored, "0" for none
-- ARGV[2]   the JSON to write; its seq is the larger one
-- reply     the value stored afterwards, nil for none
-- cost      constant
local stored = redis.call('GET', KEYS[1])
local seq = 0
if stored then seq = cjson.decode(stored).seq end
if seq ~= tonumber(ARGV[1]) then return stored end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
