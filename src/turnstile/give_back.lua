-- Gives one back to a key. KEYS: the key. ARGV: the even pace in microseconds. Answers whether the key was there.
local even_at = redis.call('GET', KEYS[1])
if not even_at then
    return 0
end
redis.call('SET', KEYS[1], string.format('%.0f', even_at - ARGV[1]), 'KEEPTTL')
return 1
