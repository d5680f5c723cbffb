-- read_atomically: several reads at one moment, without MULTI: a full Redis does not even queue reads.
--
-- KEYS      every key that is read
-- ARGV      for each read: its number of words, then its words (name, key, argument, …)
-- reply     the replies, in order
-- limit     Lua's stack holds 8,000 words; no read may have more
-- cost      that of the reads, and a copy of each reply
local replies, at = {}, 1
while at <= #ARGV do
  local last = at + ARGV[at]
  replies[#replies + 1] = redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return replies
