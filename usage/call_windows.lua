-- The windows of call limits in Redis; docs/call-limits.md. The same rules as in migrations/0008_admit_calls.sql, and
-- one suite of tests for both.
--
--   ARGV: deed, instant ('' unless a test gives it), seconds to keep a call, then what the deed needs.
--
-- A window is {newest second, calls, tokens, setbacks, calls in each place, tokens in each place}; second s stands in
-- place s mod 61. A call is {customer, service, second, setbacks, tokens, state}. No number exceeds 2 to the 53.

local deed, given, kept_for = ARGV[1], ARGV[2], ARGV[3]
local SECOND, CALLS, TOKENS, SETBACKS, CALLS_IN, TOKENS_IN = 1, 2, 3, 4, 5, 6
local PREFIX = KEYS[1]

local function present_second()
    if given ~= '' then
        return tonumber(given)
    end
    return tonumber(redis.call('TIME')[1])
end

local function nothing()
    local places = {}
    for place = 1, 61 do
        places[place] = 0
    end
    return places
end

local function place_of(second)
    return second % 61 + 1
end

-- It never goes back, so that a clock which does lets nobody call twice; only one that was more than a window ahead
-- is believed, and then everything counts in the present second.
local function advance(window, present)
    if present < window[SECOND] - 60 then
        window[CALLS_IN], window[TOKENS_IN] = nothing(), nothing()
        window[CALLS_IN][place_of(present)] = window[CALLS]
        window[TOKENS_IN][place_of(present)] = window[TOKENS]
        window[SETBACKS] = window[SETBACKS] + 1
        window[SECOND] = present
    elseif present > window[SECOND] + 60 then
        window[CALLS_IN], window[TOKENS_IN] = nothing(), nothing()
        window[CALLS], window[TOKENS] = 0, 0
        window[SECOND] = present
    end
    while window[SECOND] < present do
        window[SECOND] = window[SECOND] + 1
        local place = place_of(window[SECOND])
        window[CALLS] = window[CALLS] - window[CALLS_IN][place]
        window[TOKENS] = window[TOKENS] - window[TOKENS_IN][place]
        window[CALLS_IN][place], window[TOKENS_IN][place] = 0, 0
    end
end

local function window_key(customer, service)
    return PREFIX .. 'window:' .. customer .. ':' .. service
end

local function window_now(customer, service)
    local kept = redis.call('GET', window_key(customer, service))
    local window = kept and cmsgpack.unpack(kept) or { 0, 0, 0, 0, nothing(), nothing() }
    local second_kept = window[SECOND]
    advance(window, present_second())
    return window, window[SECOND] ~= second_kept
end

-- What has not been touched for two windows counts no more.
local function keep_window(customer, service, window)
    redis.call('SET', window_key(customer, service), cmsgpack.pack(window), 'EX', 122)
end

local function count_in(window, second, calls, tokens)
    local place = place_of(second)
    window[CALLS_IN][place] = window[CALLS_IN][place] + calls
    window[TOKENS_IN][place] = window[TOKENS_IN][place] + tokens
    window[CALLS] = window[CALLS] + calls
    window[TOKENS] = window[TOKENS] + tokens
end

-- When the last of these will have left the window, if nothing is added.
local function empty_from(window, places)
    for age = 0, 60 do
        if window[places][place_of(window[SECOND] - age)] ~= 0 then
            return window[SECOND] - age + 61
        end
    end
    return window[SECOND]
end

-- The first second in which such a call would be within the limits, if nothing is added.
local function fits_from(window, asked_tokens, rpm, tpm)
    local calls, tokens = window[CALLS], window[TOKENS]
    for later = 1, 61 do
        local place = place_of(window[SECOND] + later) -- of the second that leaves when that one begins
        calls = calls - window[CALLS_IN][place]
        tokens = tokens - window[TOKENS_IN][place]
        if calls < rpm and (not tpm or tokens + asked_tokens <= tpm) then
            return window[SECOND] + later
        end
    end
    return false
end

local function call_known(call_id)
    local kept = redis.call('GET', PREFIX .. 'call:' .. call_id)
    if not kept then
        return nil
    end
    local call = cmsgpack.unpack(kept)
    return { customer = call[1], service = call[2], second = call[3], setbacks = call[4], tokens = call[5],
             state = call[6] }
end

local function keep_call(call_id, call)
    local packed = cmsgpack.pack({ call.customer, call.service, call.second, call.setbacks, call.tokens, call.state })
    redis.call('SET', PREFIX .. 'call:' .. call_id, packed, 'EX', kept_for)
end

local function refusal_of(window, tokens, rpm, tpm)
    if rpm < 1 or (tpm and tokens > tpm) then
        return 'never'
    elseif window[CALLS] >= rpm then
        return 'rpm_exhausted'
    elseif tpm and window[TOKENS] + tokens > tpm then
        return 'tpm_exhausted'
    end
    return ''
end

local function count_refusal(customer, service, refusal, second)
    local key = PREFIX .. 'refused:' .. math.floor(second / 3600)
    redis.call('HINCRBY', key, customer .. ':' .. service .. ':' .. refusal, 1)
    redis.call('EXPIRE', key, 26 * 3600)
end

local function left_of(limit, used)
    return limit and math.max(limit - used, 0) or false -- a nil would end the answer
end

local function admit(customer, service, call_id, tokens, rpm, tpm)
    local window, changed = window_now(customer, service)
    local known, refusal, passes_at = call_known(call_id), '', false
    if known and (known.customer ~= customer or known.service ~= service) then
        refusal = 'other_call'
    elseif not known or known.state == 'released' then
        refusal = refusal_of(window, tokens, rpm, tpm)
        if refusal == '' then
            count_in(window, window[SECOND], 1, tokens)
            changed = true
            keep_call(call_id, { customer = customer, service = service, second = window[SECOND],
                                 setbacks = window[SETBACKS], tokens = tokens, state = 'held' })
        else
            count_refusal(customer, service, refusal, window[SECOND])
        end
    end
    if changed then
        keep_window(customer, service, window)
    end
    if refusal == 'rpm_exhausted' or refusal == 'tpm_exhausted' then
        passes_at = fits_from(window, tokens, rpm, tpm)
    end
    return { refusal, window[SECOND], left_of(rpm, window[CALLS]), left_of(tpm, window[TOKENS]),
             empty_from(window, CALLS_IN), empty_from(window, TOKENS_IN), passes_at }
end

local function is_one_of(customer, customers)
    for one in string.gmatch(customers, '%d+') do
        if tonumber(one) == customer then
            return true
        end
    end
    return customers == 'all'
end

-- Used tokens are nil where the call was not made.
local function settle(call_id, used, customers)
    local known = call_known(call_id)
    if not known or not is_one_of(known.customer, customers) then
        return ''
    end
    local before, window = known.state, window_now(known.customer, known.service)
    if before == 'held' then
        if known.setbacks == window[SETBACKS] and known.second >= window[SECOND] - 60 then
            count_in(window, known.second, used and 0 or -1, (used or 0) - known.tokens)
        end
        known.state, known.tokens = used and 'settled' or 'released', used or known.tokens
        keep_call(call_id, known)
    end
    keep_window(known.customer, known.service, window)
    return before
end

local function count(customer, service, calls, tokens)
    local window = window_now(customer, service)
    count_in(window, window[SECOND], calls, tokens)
    keep_window(customer, service, window)
end

local function look(customer, service)
    local window = window_now(customer, service)
    return { window[SECOND], window[CALLS], window[TOKENS], empty_from(window, CALLS_IN),
             empty_from(window, TOKENS_IN) }
end

-- Names and numbers in turn, for each of these hours.
local function refusals(hours)
    local found, hour = {}, math.floor(present_second() / 3600)
    for before = 0, hours do
        for _, value in ipairs(redis.call('HGETALL', PREFIX .. 'refused:' .. hour - before)) do
            found[#found + 1] = value
        end
    end
    return found
end

local function number(index)
    return tonumber(ARGV[index])
end

if deed == 'admit' then
    return admit(number(4), number(5), ARGV[6], number(7), number(8), number(9))
elseif deed == 'settle' then
    return settle(ARGV[4], number(5), ARGV[6])
elseif deed == 'count' then
    return count(number(4), number(5), number(6), number(7))
elseif deed == 'look' then
    return look(number(4), number(5))
elseif deed == 'refusals' then
    return refusals(number(4))
end
return redis.error_reply('there is no such deed: ' .. deed)
