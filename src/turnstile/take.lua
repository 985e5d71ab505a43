-- Takes one of what a key has. The rule is the one of pace.rs; times are microseconds by this server's clock.
-- KEYS: the key. ARGV: the even pace, how far ahead of it one may be. Answers whether it was taken, and how far ahead that is.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local even_at = tonumber(redis.call('GET', KEYS[1]) or now)
if even_at < now then
    even_at = now
elseif even_at > now + window then
    even_at = now + window
end
local ahead = even_at + interval - now
if ahead > window then
    return {0, ahead}
end
redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
return {1, ahead}
