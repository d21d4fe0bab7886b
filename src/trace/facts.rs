//! Numbers, dates, months and names in German, Chinese, Bengali and English text.
