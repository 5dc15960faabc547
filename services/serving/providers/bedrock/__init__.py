"""An upstream that speaks Amazon Bedrock's Converse, asked and answering in OpenAI's chat shape.

Shapes as in botocore 1.44 (`bedrock-runtime`, 2023-09-30).
"""
