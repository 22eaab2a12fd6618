-- Whether an hour comes to more than a bound of parking.
$hour.amount > %(most_amount)s OR ($hour.amount > %(unusual_from)s AND $hour.amount > %(times_usual)s * abs(usual.amount))
